SELECT m.name AS model, count(*) AS answers,
    count(*) FILTER (a.text <> b.text) / count(*) AS changed_texts,
    count(*) FILTER (a.strict_verdict <> b.strict_verdict) / count(*) AS changed_verdicts
FROM answers AS a JOIN answers AS b ON b.question_id = a.question_id AND b.model_id = a.model_id AND b.draw = a.draw
    AND b.prompt_id = a.prompt_id AND b.sampling = a.sampling AND a.sample = 0 AND b.sample > 0
JOIN models AS m ON m.id = a.model_id
WHERE a.draw IN (0, $number) AND json_extract(a.sampling, '$.temperature')::DOUBLE = 0
    AND a.model_id IN (SELECT model_id FROM evaluations WHERE round_id = $round)
GROUP BY m.id, m.name ORDER BY m.name, m.id
