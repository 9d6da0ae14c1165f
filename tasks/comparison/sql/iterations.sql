SELECT t.iteration AS round, t.method AS role, t.value AS accuracy, t.low, t.high
FROM comparison_figures AS t
WHERE t.comparison_id = $comparison AND t.name = 'accuracy' AND t.rates = 'chosen'
    AND t.reading = 'strict' AND t.scope = $scope
    AND (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison) > 1
ORDER BY t.method, t.iteration
