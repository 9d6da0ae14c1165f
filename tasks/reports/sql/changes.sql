SELECT * FROM (SELECT 'fixed' AS change, domain, question_set, count(*) AS questions
FROM answers_fixed
WHERE before_model_id = $champion AND after_model_id = $challenger AND part = 'gate' AND sample = 0
    AND draw IN (0, $number)
GROUP BY ALL UNION ALL SELECT 'broken' AS change, domain, question_set, count(*) AS questions
FROM answers_broken
WHERE before_model_id = $champion AND after_model_id = $challenger AND part = 'gate' AND sample = 0
    AND draw IN (0, $number)
GROUP BY ALL)
ORDER BY change DESC, domain, question_set
