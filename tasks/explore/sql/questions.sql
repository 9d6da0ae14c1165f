SELECT draw, question_set, part, source_row_id, question, paths, correct_paths,
    hinted_correct_paths, training_examples, answers, correct_answers, question_id
FROM question_history
$where
ORDER BY draw DESC, part DESC, question_set, source_row_id LIMIT $limit
