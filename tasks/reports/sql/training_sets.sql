SELECT method, examples, hinted_examples, seed, left(digest, 12) AS digest
FROM training_sets WHERE round_id = $round ORDER BY created_at, id
