SELECT key AS fate, value::BIGINT AS candidates
FROM rounds, json_each(rounds.timings, '$.account.fates') WHERE rounds.id = $round
UNION ALL SELECT 'all', json_extract(timings, '$.account.candidates')::BIGINT
FROM rounds WHERE id = $round AND json_extract(timings, '$.account.candidates') IS NOT NULL
ORDER BY candidates, fate
