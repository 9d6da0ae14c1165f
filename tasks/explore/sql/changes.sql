SELECT question_set, domain, part, count(*) AS answers,
    count(*) FILTER (first_right) AS first_right, count(*) FILTER (second_right) AS second_right,
    count(*) FILTER ($fixed) AS fixed, count(*) FILTER ($broken) AS broken
FROM ($pairs)
$where
GROUP BY ALL ORDER BY domain, question_set, part
