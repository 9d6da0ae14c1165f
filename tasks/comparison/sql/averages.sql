SELECT t.method AS question_set, t.method AS model,
    CASE t.method WHEN 'base' THEN 'base' WHEN 'regenesis' THEN 'challenger' ELSE 'control' END
        AS role,
    t.seeds, t.questions, t.value AS accuracy, t.low, t.high
FROM comparison_figures AS t
WHERE t.comparison_id = $comparison AND t.name = 'accuracy'
    AND t.rates = 'chosen' AND t.scope = $domain AND t.reading = $reading
    AND t.iteration = (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison)
ORDER BY t.value DESC, t.method
