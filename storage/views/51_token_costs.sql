-- token_costs: One row per round, model and stage of generation. Key: round_id, model_id, stage (round_id is null outside rounds).
-- round_id: The round that paid; null outside a round
-- round: Its number
-- model_id: The model that wrote
-- model: Its readable name
-- stage: adapted_guideline, structure, path or answer
-- texts: Texts generated
-- prompt_tokens: Tokens of their prompts
-- completion_tokens: Tokens generated
SELECT
    t.round_id,
    r.number AS round,
    t.model_id,
    m.name AS model,
    t.stage,
    t.texts,
    t.prompt_tokens,
    t.completion_tokens
FROM (
    SELECT
        round_id,
        model_id,
        stage,
        count(*) AS texts,
        sum(prompt_tokens)::BIGINT AS prompt_tokens,
        sum(completion_tokens)::BIGINT AS completion_tokens
    FROM (
        SELECT round_id, model_id, 'adapted_guideline' AS stage, prompt_tokens, completion_tokens FROM adapted_guidelines
        UNION ALL
        SELECT round_id, model_id, 'structure', prompt_tokens, completion_tokens FROM structures
        UNION ALL
        SELECT round_id, model_id, 'path', prompt_tokens, completion_tokens FROM paths
        UNION ALL
        SELECT round_id, model_id, 'answer', prompt_tokens, completion_tokens FROM answers
    )
    GROUP BY round_id, model_id, stage
) AS t
LEFT JOIN rounds AS r ON r.id = t.round_id
LEFT JOIN models AS m ON m.id = t.model_id
