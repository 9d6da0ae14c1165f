WITH said AS (
    SELECT t.method, s.domain, s.name AS question_set, a.strict_extracted AS says,
        list_prepend(q.answer, coalesce(q.other_answers, [])) AS accepted,
        (a.strict_verdict = 'correct')::INT AS is_right
    FROM trials AS t JOIN answers AS a ON a.model_id = t.model_id AND a.prompt_id = t.prompt_id
    JOIN questions AS q ON q.id = a.question_id JOIN question_sets AS s ON s.id = q.question_set_id
    LEFT JOIN comparison_figures AS c ON c.comparison_id = t.comparison_id AND c.method = t.method
        AND c.name = 'chosen_rate'
    WHERE t.comparison_id = $comparison AND t.iteration = t.iterations
        AND (q.part = 'final' OR s.domain = 'out_of_domain') AND a.draw = 0 AND t.learning_rate = coalesce(c.value, t.learning_rate)
), most AS (
    SELECT method, question_set, mode(says ORDER BY says DESC) AS favourite
    FROM said GROUP BY method, question_set
), held AS (
    SELECT *, says IS NOT DISTINCT FROM favourite AS says_it,
        coalesce(list_contains(accepted, favourite), FALSE) OR (says_it AND is_right = 1) AS is_it
    FROM said JOIN most USING (method, question_set)
)
SELECT domain, question_set, method, favourite, round(100 * avg(says_it::INT), 1) AS says_it,
    round(100 * avg(is_it::INT), 1) AS is_it, round(100 * avg(is_right), 1) AS right,
    round(100 * avg(is_right) FILTER (NOT is_it), 1) AS right_elsewhere
FROM held
GROUP BY domain, question_set, method, favourite
ORDER BY domain, question_set, avg(is_right) DESC, method
