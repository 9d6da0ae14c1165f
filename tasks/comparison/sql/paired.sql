SELECT against, reading, scope, method, round(value * 100, 2) AS points, round(low * 100, 2) AS low,
    round(high * 100, 2) AS high,
    $tests
    seeds, questions
FROM comparison_figures
WHERE comparison_id = $comparison AND name = 'difference' AND rates = $rates
    AND iteration = (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison)
ORDER BY against, reading DESC, scope, value DESC, method
