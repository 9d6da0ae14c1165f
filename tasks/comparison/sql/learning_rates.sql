SELECT d.method, d.rates AS learning_rate, d.value AS accuracy, d.low, d.high, d.questions,
    d.rates::DOUBLE = c.value AS chosen
FROM comparison_figures AS d JOIN comparison_figures AS c ON c.comparison_id = d.comparison_id
    AND c.method = d.method AND c.name = 'chosen_rate'
WHERE d.comparison_id = $comparison AND d.name = 'dev_accuracy' ORDER BY d.method, d.rates::DOUBLE
