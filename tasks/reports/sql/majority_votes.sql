SELECT floor(share * 4) / 4 AS share_from, count(*) AS questions, count(winner) AS decided,
    count(*) FILTER (winner_is_right) AS right, count(*) FILTER (winner_is_right) / nullif(count(winner), 0) AS accuracy
FROM majority_votes WHERE draw = $number GROUP BY share_from ORDER BY share_from
