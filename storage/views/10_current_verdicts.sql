-- current_verdicts: One row per judged path: the verdict that counts. Key: path_id. A person's comes first, then the reference's, then the majority's; of one kind the newest.
-- path_id: The path judged
-- draw: The path's draw
-- verdict_id: The verdict that counts
-- verifier: reference, majority or human
-- verifier_version: Version of the rules that judged
-- verdict: correct, wrong or unjudged, by the strict reading
-- reason: Short code; the glossary explains it
-- extracted: The stated answer that was compared
-- lenient_verdict: By the lenient reading; reported apart, never trained on
-- verdicts: How many verdicts the path has, of all verifiers and versions
SELECT
    path_id,
    draw,
    arg_max(id, weight) AS verdict_id,
    arg_max(verifier, weight) AS verifier,
    arg_max(verifier_version, weight) AS verifier_version,
    arg_max(verdict, weight) AS verdict,
    arg_max(reason, weight) AS reason,
    arg_max_null(extracted, weight) AS extracted,
    arg_max(lenient_verdict, weight) AS lenient_verdict,
    count(*) AS verdicts
FROM (
    SELECT
        *,
        CASE
            WHEN verifier = 'human' THEN 3
            WHEN verifier = 'reference' AND reason <> 'no_reference' THEN 2
            WHEN verifier = 'majority' THEN 1
            ELSE 0
        END * 100_000_000_000_000_000 + epoch_us(created_at) AS weight
    FROM verdicts
)
GROUP BY path_id, draw
