SELECT b.against, b.reading, b.scope, b.method, round(b.value * 100, 2) AS points,
    round(b.low * 100, 2) AS low, round(b.high * 100, 2) AS high,
    $tests
    b.seeds, b.questions
FROM comparison_figures AS b LEFT JOIN comparison_figures AS t
    ON t.comparison_id = b.comparison_id AND t.name = 'seeds_' || b.name AND t.rates = b.rates
    AND t.reading = b.reading AND t.scope = b.scope AND t.method = b.method
    AND t.against = b.against AND t.iteration = b.iteration
WHERE b.comparison_id = $comparison AND b.name = $figure AND b.rates = 'chosen'
    AND b.iteration = (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison)
ORDER BY b.against, b.reading DESC, b.scope, b.value DESC, b.method
