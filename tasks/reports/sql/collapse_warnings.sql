SELECT value ->> '$' AS warning
FROM rounds, json_each(rounds.timings, '$.collapse_warnings') WHERE rounds.id = $round ORDER BY warning
