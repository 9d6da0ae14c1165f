SELECT guideline, attempts, correct, correct / nullif(attempts, 0) AS accuracy, solved,
    unique_solves, hinted_correct, tokens_per_correct AS tokens_for_each_accepted
FROM $guidelines
$where
ORDER BY unique_solves DESC, correct DESC, guideline
