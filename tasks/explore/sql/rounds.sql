SELECT round, status, outcome, champion, paths, correct_paths, hinted_correct_paths,
    training_examples, generated_tokens, seconds, coalesce(decision, reason) AS why
FROM round_summary
ORDER BY round
