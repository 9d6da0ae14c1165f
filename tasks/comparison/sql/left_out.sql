SELECT method AS without, scope, reading, round(value * 100, 2) AS points,
    round(low * 100, 2) AS low,
    $tests
    round(high * 100, 2) AS high
FROM comparison_figures
WHERE comparison_id = $comparison AND name = 'difference' AND rates = 'chosen'
    AND against = 'regenesis' AND method LIKE 'without_guidelines:%'
    AND iteration = (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison)
ORDER BY scope, reading DESC, method
