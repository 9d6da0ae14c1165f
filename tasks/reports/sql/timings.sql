SELECT key AS phase, value::DOUBLE AS seconds
FROM rounds, json_each(rounds.timings, '$.seconds') WHERE rounds.id = $round ORDER BY seconds DESC, phase
