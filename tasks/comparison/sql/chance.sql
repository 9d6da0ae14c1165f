SELECT scope AS question_set, round(100 * value, 1) AS chance_percent,
    round(100 * low, 1) AS base_low, round(100 * high, 1) AS base_high,
    value > 0 AND low <= value AS at_chance
FROM comparison_figures
WHERE comparison_id = $comparison AND name = 'chance'
ORDER BY scope
