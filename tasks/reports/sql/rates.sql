SELECT key AS figure, value::DOUBLE AS value
FROM rounds, json_each(rounds.timings) WHERE rounds.id = $round AND type NOT IN ('OBJECT', 'VARCHAR', 'ARRAY')
ORDER BY figure
