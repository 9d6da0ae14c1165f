SELECT question_set, question, reference_answer, guideline, adapted_guideline, structure, path,
    coalesce(verdict, 'not judged') || ' (' || coalesce(reason, '') || ')' AS verdict, hinted
FROM lineage WHERE draw = $number AND verdict = 'correct' AND NOT hinted
ORDER BY md5(path_id::VARCHAR) LIMIT 4
