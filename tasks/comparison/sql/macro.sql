SELECT reading, scope, method, round(100 * value, 2) AS percent, round(100 * low, 2) AS low,
    round(100 * high, 2) AS high, seeds, questions
FROM comparison_figures
WHERE comparison_id = $comparison AND name = 'macro_accuracy' AND rates = 'chosen'
    AND iteration = (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison)
ORDER BY reading DESC, scope, value DESC, method
