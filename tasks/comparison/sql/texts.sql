SELECT method, split_part(name, '_', 1) AS texts, scope, max(questions) AS count,
    round(100 * max(value) FILTER (name LIKE '%_cut'), 1) AS cut_percent,
    round(100 * max(value) FILTER (name LIKE '%_no_work'), 1) AS no_work_percent
FROM comparison_figures
WHERE comparison_id = $comparison AND split_part(name, '_', 1) IN ('answers', 'paths', 'examples')
    AND iteration = (SELECT max(iterations) FROM trials WHERE comparison_id = $comparison)
GROUP BY ALL ORDER BY texts, scope, method
