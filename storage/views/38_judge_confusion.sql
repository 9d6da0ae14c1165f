-- judge_confusion: One row per draw, way of choosing and pair of readings: what the second judge said where the first judge spoke. Key: draw, chosen, first_verdict, second_verdict.
-- draw: The draw of the paths
-- chosen: prone (a reason on which judges tend to differ; all of them are read) or sampled (at random among the others)
-- first_verdict: The reference judge's newest verdict; this one decides what is trained on
-- second_verdict: The second judge's, written apart and with no shared rule
-- paths: How many paths
-- human_correct: Of them those that a person called correct
-- human_wrong: Of them those that a person called wrong
WITH newest AS (
    SELECT path_id, draw, verifier, arg_max(verdict, created_at) AS verdict, arg_max(details, created_at) AS details
    FROM verdicts WHERE verifier IN ('reference', 'second', 'human') GROUP BY path_id, draw, verifier
)
SELECT
    s.draw,
    coalesce(CASE WHEN json_valid(s.details) THEN json_extract_string(s.details, '$.chosen') END, 'sampled') AS chosen,
    f.verdict AS first_verdict,
    s.verdict AS second_verdict,
    count(*) AS paths,
    count(*) FILTER (h.verdict = 'correct') AS human_correct,
    count(*) FILTER (h.verdict = 'wrong') AS human_wrong
FROM newest AS s
JOIN newest AS f ON f.path_id = s.path_id AND f.draw = s.draw AND f.verifier = 'reference'
LEFT JOIN newest AS h ON h.path_id = s.path_id AND h.draw = s.draw AND h.verifier = 'human'
WHERE s.verifier = 'second'
GROUP BY ALL
