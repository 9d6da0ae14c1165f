SELECT stage, reason, count(*) AS requests
FROM failed_requests WHERE round_id = $round GROUP BY stage, reason ORDER BY requests DESC, stage, reason
