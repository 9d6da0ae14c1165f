SELECT sum(paths) FILTER (first_verdict = 'correct')::BIGINT AS called_correct,
    sum(paths) FILTER (first_verdict = 'correct' AND second_verdict = 'wrong')::BIGINT AS of_them_second_says_wrong,
    sum(paths) FILTER (first_verdict = 'wrong')::BIGINT AS called_wrong,
    sum(paths) FILTER (first_verdict = 'wrong' AND second_verdict = 'correct')::BIGINT AS of_them_second_says_correct
FROM judge_confusion WHERE draw = $number AND chosen = 'sampled' HAVING count(*) > 0
