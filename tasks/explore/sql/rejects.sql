SELECT reason, explanation, count(*) AS paths
FROM rejections
$where
GROUP BY ALL ORDER BY paths DESC, reason
