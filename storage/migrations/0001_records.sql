-- Every table of storage/records.py. No keys: DuckLake refuses them; ids are kept unique by the repository.

CREATE TABLE question_sets (
    id UUID NOT NULL,
    name VARCHAR NOT NULL,
    domain VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    mapping VARCHAR NOT NULL,
    licence VARCHAR NOT NULL,
    citation VARCHAR NOT NULL,
    redistributable BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE questions (
    id UUID NOT NULL,
    question_set_id UUID NOT NULL,
    source_row_id VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    draw BIGINT NOT NULL,
    text VARCHAR NOT NULL,
    choices VARCHAR[] NOT NULL,
    answer VARCHAR NOT NULL,
    answer_kind VARCHAR NOT NULL,
    extra VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE guidelines (
    id UUID NOT NULL,
    name VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    text VARCHAR NOT NULL,
    in_hinted_retry BOOLEAN NOT NULL
);

CREATE TABLE prompts (
    id UUID NOT NULL,
    name VARCHAR NOT NULL,
    text VARCHAR NOT NULL
);

CREATE TABLE models (
    id UUID NOT NULL,
    name VARCHAR NOT NULL,
    base_model_id UUID NOT NULL,
    adapter_id UUID,
    revision VARCHAR NOT NULL,
    chat_template_hash VARCHAR NOT NULL
);

CREATE TABLE adapted_guidelines (
    id UUID NOT NULL,
    question_id UUID NOT NULL,
    model_id UUID NOT NULL,
    prompt_id UUID NOT NULL,
    sampling VARCHAR NOT NULL,
    draw BIGINT NOT NULL,
    sample BIGINT NOT NULL,
    hinted BOOLEAN NOT NULL,
    text VARCHAR NOT NULL,
    finish_reason VARCHAR NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    seed BIGINT NOT NULL,
    endpoint VARCHAR NOT NULL,
    round_id UUID,
    created_at TIMESTAMP NOT NULL,
    guideline_id UUID NOT NULL
);

CREATE TABLE structures (
    id UUID NOT NULL,
    question_id UUID NOT NULL,
    model_id UUID NOT NULL,
    prompt_id UUID NOT NULL,
    sampling VARCHAR NOT NULL,
    draw BIGINT NOT NULL,
    sample BIGINT NOT NULL,
    hinted BOOLEAN NOT NULL,
    text VARCHAR NOT NULL,
    finish_reason VARCHAR NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    seed BIGINT NOT NULL,
    endpoint VARCHAR NOT NULL,
    round_id UUID,
    created_at TIMESTAMP NOT NULL,
    guideline_id UUID NOT NULL,
    adapted_guideline_id UUID
);

CREATE TABLE paths (
    id UUID NOT NULL,
    question_id UUID NOT NULL,
    model_id UUID NOT NULL,
    prompt_id UUID NOT NULL,
    sampling VARCHAR NOT NULL,
    draw BIGINT NOT NULL,
    sample BIGINT NOT NULL,
    hinted BOOLEAN NOT NULL,
    text VARCHAR NOT NULL,
    finish_reason VARCHAR NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    seed BIGINT NOT NULL,
    endpoint VARCHAR NOT NULL,
    round_id UUID,
    created_at TIMESTAMP NOT NULL,
    strategy VARCHAR NOT NULL,
    guideline_id UUID,
    adapted_guideline_id UUID,
    structure_id UUID,
    closed BOOLEAN NOT NULL
);

CREATE TABLE verdicts (
    id UUID NOT NULL,
    path_id UUID NOT NULL,
    draw BIGINT NOT NULL,
    verifier VARCHAR NOT NULL,
    verifier_version VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    extracted VARCHAR,
    lenient_verdict VARCHAR NOT NULL,
    lenient_extracted VARCHAR,
    rater VARCHAR,
    details VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE selections (
    id UUID NOT NULL,
    training_set_id UUID NOT NULL,
    path_id UUID NOT NULL,
    verdict_id UUID,
    draw BIGINT NOT NULL,
    kept BOOLEAN NOT NULL,
    reason VARCHAR NOT NULL
);

CREATE TABLE training_sets (
    id UUID NOT NULL,
    round_id UUID,
    method VARCHAR NOT NULL,
    settings VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    examples BIGINT NOT NULL,
    hinted_examples BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE training_examples (
    id UUID NOT NULL,
    training_set_id UUID NOT NULL,
    path_id UUID NOT NULL,
    question_id UUID NOT NULL,
    position BIGINT NOT NULL,
    prompt VARCHAR NOT NULL,
    completion VARCHAR NOT NULL
);

CREATE TABLE adapters (
    id UUID NOT NULL,
    name VARCHAR NOT NULL,
    training_set_id UUID NOT NULL,
    base_model_id UUID NOT NULL,
    parent_adapter_id UUID,
    kind VARCHAR NOT NULL,
    location VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    settings VARCHAR NOT NULL,
    losses DOUBLE[] NOT NULL,
    tokens_trained BIGINT NOT NULL,
    seconds DOUBLE NOT NULL,
    precision VARCHAR NOT NULL,
    mlflow_run_id VARCHAR,
    created_at TIMESTAMP NOT NULL,
    round_id UUID
);

CREATE TABLE answers (
    id UUID NOT NULL,
    question_id UUID NOT NULL,
    model_id UUID NOT NULL,
    prompt_id UUID NOT NULL,
    sampling VARCHAR NOT NULL,
    draw BIGINT NOT NULL,
    sample BIGINT NOT NULL,
    hinted BOOLEAN NOT NULL,
    text VARCHAR NOT NULL,
    finish_reason VARCHAR NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    seed BIGINT NOT NULL,
    endpoint VARCHAR NOT NULL,
    round_id UUID,
    created_at TIMESTAMP NOT NULL,
    strict_verdict VARCHAR NOT NULL,
    strict_extracted VARCHAR,
    lenient_verdict VARCHAR NOT NULL,
    lenient_extracted VARCHAR,
    reason VARCHAR NOT NULL,
    verifier_version VARCHAR NOT NULL
);

CREATE TABLE evaluations (
    id UUID NOT NULL,
    round_id UUID,
    model_id UUID NOT NULL,
    question_set_id UUID NOT NULL,
    domain VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    draw BIGINT NOT NULL,
    role VARCHAR NOT NULL,
    questions BIGINT NOT NULL,
    strict_correct BIGINT NOT NULL,
    lenient_correct BIGINT NOT NULL,
    unjudged BIGINT NOT NULL,
    stopped BIGINT NOT NULL,
    mean_tokens DOUBLE NOT NULL,
    strict_low DOUBLE NOT NULL,
    strict_high DOUBLE NOT NULL,
    lenient_low DOUBLE NOT NULL,
    lenient_high DOUBLE NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE promotions (
    id UUID NOT NULL,
    round_id UUID,
    challenger_model_id UUID NOT NULL,
    champion_model_id UUID NOT NULL,
    outcome VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    decided_by VARCHAR NOT NULL,
    reasons VARCHAR NOT NULL,
    statistics VARCHAR NOT NULL,
    tests_so_far BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE rounds (
    id UUID NOT NULL,
    number BIGINT NOT NULL,
    line VARCHAR NOT NULL,
    base_model_id UUID NOT NULL,
    champion_model_id UUID NOT NULL,
    seed BIGINT NOT NULL,
    status VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    settings VARCHAR NOT NULL,
    timings VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);

CREATE TABLE failed_requests (
    id UUID NOT NULL,
    request_id UUID NOT NULL,
    question_id UUID NOT NULL,
    stage VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    message VARCHAR NOT NULL,
    attempts BIGINT NOT NULL,
    draw BIGINT NOT NULL,
    round_id UUID,
    created_at TIMESTAMP NOT NULL
);

-- Which spool files are in the tables already, so that merging one twice changes nothing.
CREATE TABLE merged_spool_files (
    name VARCHAR NOT NULL,
    merged_at TIMESTAMP NOT NULL
);
