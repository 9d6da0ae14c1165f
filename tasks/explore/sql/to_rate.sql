SELECT v.path_id, v.draw, v.verdict, v.reason, s.name AS question_set
FROM current_verdicts AS v
JOIN paths AS p ON p.id = v.path_id AND p.draw = v.draw
JOIN questions AS q ON q.id = p.question_id
JOIN question_sets AS s ON s.id = q.question_set_id
LEFT JOIN (
    SELECT path_id, arg_max(verdict, created_at) AS verdict FROM verdicts
    $of_second_judge
    GROUP BY path_id
) AS second ON second.path_id = v.path_id
$where
ORDER BY hash(v.path_id) LIMIT $limit
