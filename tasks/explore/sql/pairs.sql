SELECT *
FROM ($pairs)
$where
ORDER BY domain, question_set, source_row_id, sample LIMIT $limit
