SELECT chosen, first_verdict, second_verdict, paths, human_correct, human_wrong
FROM judge_confusion WHERE draw = $number ORDER BY ALL
