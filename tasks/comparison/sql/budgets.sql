SELECT seed, method, learning_rate, iteration, paths_spent, tokens_spent, candidates, filtered,
    examples, hinted_examples / nullif(examples, 0) AS hinted_share, questions, distinct_2
FROM trials WHERE comparison_id = $comparison AND training_set_id IS NOT NULL
ORDER BY seed, method, learning_rate, iteration
