WITH generated AS (
    SELECT completion_tokens, round_id FROM adapted_guidelines
    UNION ALL SELECT completion_tokens, round_id FROM structures
    UNION ALL SELECT completion_tokens, round_id FROM paths
    UNION ALL SELECT completion_tokens, round_id FROM answers
), noted AS (
    SELECT json_extract(timings, '$.raw_tokens_per_second')::DOUBLE AS raw_tokens_per_second,
        (SELECT sum(completion_tokens)::BIGINT FROM generated WHERE round_id = $round) AS generated_tokens,
        json_extract(timings, '$.seconds.training')::DOUBLE AS training_seconds,
        json_extract(timings, '$.engine_starts')::INTEGER AS engine_starts,
        json_extract(timings, '$.engine_start_seconds')::DOUBLE AS engine_start_seconds,
        json_extract(timings, '$.total_seconds')::DOUBLE AS total_seconds
    FROM rounds WHERE id = $round
), alone AS (
    SELECT *, generated_tokens / nullif(raw_tokens_per_second, 0) AS generation_seconds_alone FROM noted
)
SELECT *, (total_seconds - engine_start_seconds) / (generation_seconds_alone + training_seconds) AS times_the_least
FROM alone WHERE raw_tokens_per_second > 0
