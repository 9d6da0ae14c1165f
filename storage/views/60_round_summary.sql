-- round_summary: One row per round. Key: round_id. Accuracies read the gate part strictly; null until evaluated.
-- round_id: The round
-- round: Its number
-- line: Base model's name and task set's name
-- status: running, finished, failed or abandoned
-- outcome: promoted, refused, inconclusive, budget_spent, or empty while it runs
-- reason: Why it was abandoned or failed; else empty
-- champion: Name of the champion when it began
-- questions: Questions that paths were written for
-- paths: Paths it paid for
-- correct_paths: Of them correct
-- hinted_correct_paths: Of the correct ones, those with the answer shown
-- unjudged_paths: Paths that could not be judged, or are not yet
-- training_sets: Training sets made in it
-- training_examples: Training examples in those sets
-- hinted_examples: Of them from hinted paths
-- challengers: Names of the adapters trained in it, as a list
-- in_domain_before: Share of in-domain gate answers correct, champion (base in the first round)
-- in_domain_after: The same of the challenger
-- out_of_domain_before: Share of out-of-domain gate answers correct, champion (base in the first round)
-- out_of_domain_after: The same of the challenger
-- decision: The gate's reasons, in words
-- generated_tokens: Tokens generated in it, all stages and answers
-- failed_requests: Requests that failed at once or after all retries
-- started_at: UTC time
-- finished_at: UTC time; null while it runs
-- seconds: From start to finish; null while it runs
SELECT
    r.id AS round_id,
    r.number AS round,
    r.line,
    r.status,
    r.outcome,
    r.reason,
    m.name AS champion,
    coalesce(p.questions, 0) AS questions,
    coalesce(p.paths, 0) AS paths,
    coalesce(p.correct_paths, 0) AS correct_paths,
    coalesce(p.hinted_correct_paths, 0) AS hinted_correct_paths,
    coalesce(p.unjudged_paths, 0) AS unjudged_paths,
    coalesce(t.training_sets, 0) AS training_sets,
    coalesce(t.training_examples, 0) AS training_examples,
    coalesce(t.hinted_examples, 0) AS hinted_examples,
    coalesce(a.challengers, []) AS challengers,
    coalesce(e.in_domain_champion, e.in_domain_base) AS in_domain_before,
    e.in_domain_after,
    coalesce(e.out_of_domain_champion, e.out_of_domain_base) AS out_of_domain_before,
    e.out_of_domain_after,
    d.decision,
    coalesce(c.generated_tokens, 0) AS generated_tokens,
    coalesce(f.failed_requests, 0) AS failed_requests,
    r.started_at,
    r.finished_at,
    epoch(r.finished_at - r.started_at) AS seconds
FROM rounds AS r
LEFT JOIN models AS m ON m.id = r.champion_model_id
LEFT JOIN (
    SELECT
        p1.round_id,
        p1.draw,
        count(DISTINCT p1.question_id) AS questions,
        count(*) AS paths,
        count(*) FILTER (v.verdict = 'correct') AS correct_paths,
        count(*) FILTER (v.verdict = 'correct' AND p1.hinted) AS hinted_correct_paths,
        count(*) FILTER (coalesce(v.verdict, 'unjudged') = 'unjudged') AS unjudged_paths
    FROM paths AS p1
    LEFT JOIN current_verdicts AS v ON v.path_id = p1.id AND v.draw = p1.draw
    GROUP BY p1.round_id, p1.draw
) AS p ON p.round_id = r.id AND p.draw = r.number  -- a round's paths have its number as draw; so one round is found fast
LEFT JOIN (
    SELECT
        round_id,
        count(*) AS training_sets,
        sum(examples)::BIGINT AS training_examples,
        sum(hinted_examples)::BIGINT AS hinted_examples
    FROM training_sets
    GROUP BY round_id
) AS t ON t.round_id = r.id
LEFT JOIN (SELECT round_id, list(name ORDER BY name) AS challengers FROM adapters GROUP BY round_id) AS a
    ON a.round_id = r.id
LEFT JOIN (
    SELECT
        round_id,
        sum(strict_correct) FILTER (domain = 'in_domain' AND role = 'champion')
            / sum(questions) FILTER (domain = 'in_domain' AND role = 'champion') AS in_domain_champion,
        sum(strict_correct) FILTER (domain = 'in_domain' AND role = 'base')
            / sum(questions) FILTER (domain = 'in_domain' AND role = 'base') AS in_domain_base,
        sum(strict_correct) FILTER (domain = 'in_domain' AND role = 'challenger')
            / sum(questions) FILTER (domain = 'in_domain' AND role = 'challenger') AS in_domain_after,
        sum(strict_correct) FILTER (domain = 'out_of_domain' AND role = 'champion')
            / sum(questions) FILTER (domain = 'out_of_domain' AND role = 'champion') AS out_of_domain_champion,
        sum(strict_correct) FILTER (domain = 'out_of_domain' AND role = 'base')
            / sum(questions) FILTER (domain = 'out_of_domain' AND role = 'base') AS out_of_domain_base,
        sum(strict_correct) FILTER (domain = 'out_of_domain' AND role = 'challenger')
            / sum(questions) FILTER (domain = 'out_of_domain' AND role = 'challenger') AS out_of_domain_after
    FROM evaluations
    WHERE part = 'gate'
    GROUP BY round_id
) AS e ON e.round_id = r.id
LEFT JOIN (SELECT round_id, arg_max(reasons, created_at) AS decision FROM promotions GROUP BY round_id) AS d
    ON d.round_id = r.id
LEFT JOIN (SELECT round_id, sum(completion_tokens)::BIGINT AS generated_tokens FROM token_costs GROUP BY round_id) AS c
    ON c.round_id = r.id
LEFT JOIN (SELECT round_id, count(*) AS failed_requests FROM failed_requests GROUP BY round_id) AS f
    ON f.round_id = r.id
