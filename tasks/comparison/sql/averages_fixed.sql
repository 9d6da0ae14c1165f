SELECT scope, reading, method, round(value * 100, 2) AS percent, round(low * 100, 2) AS low,
    round(high * 100, 2) AS high, seeds, questions
FROM comparison_figures
WHERE comparison_id = $comparison AND name = 'accuracy' AND rates = 'fixed'
    AND scope IN ('in_domain', 'out_of_domain')
    AND iteration = (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison)
ORDER BY scope, reading DESC, value DESC, method
