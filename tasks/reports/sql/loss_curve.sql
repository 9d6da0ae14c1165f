SELECT name AS adapter, generate_subscripts(losses, 1) AS step, unnest(losses) AS loss
FROM adapters WHERE round_id = $round ORDER BY created_at, id, step
