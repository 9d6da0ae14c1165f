SELECT key AS reason, value::BIGINT AS candidates
FROM rounds, json_each(rounds.timings, '$.account.reasons') WHERE rounds.id = $round
ORDER BY candidates DESC, reason
