SELECT path_id, round, method, question_set, guideline, question, reference_answer, extracted, path
FROM rejections
$where
LIMIT $limit
