"""Our whole pipeline against raw vLLM.

The recorded prompts and lengths of each run, sent to the same server at once.

Verification and storage are on in our side. The raw side gets every request as one batch with the
recorded length (`ignore_eos`), under token ids shifted by a constant, so that its prefix cache
begins as cold as ours and shares as much. `ratio` is the steady one: tokens of the middle three
fifths of the time. Goal also: 0.85 end to end.
"""

import argparse
import asyncio
import json
import random
import statistics
import time

from engine_under_test import Answered, Bench, bench, train_questions

from tasks.settings import load_settings

GOAL_STEADY, GOAL_WHOLE = 0.93, 0.85


def steady_rate(answered: list[Answered], began: float) -> float:
    """Tokens per second over the middle three fifths of the time.

    Over all of it where nothing ended in the middle.
    """
    end = max(one.at for one in answered)
    low, high = began + 0.2 * (end - began), began + 0.8 * (end - began)
    middle = sum(one.tokens for one in answered if low <= one.at < high)
    return middle / (high - low) if middle else sum(one.tokens for one in answered) / (end - began)


def replay(on: Bench, recorded: list[Answered]) -> tuple[float, float]:
    """Steady and whole tokens a second of the same requests sent at once."""
    import aiohttp

    shift = random.Random(len(recorded)).randrange(1, 5000)
    low, high = 100, 48_000  # ordinary ids of the embedded model's vocabulary

    def moved(ids: tuple[int, ...]) -> list[int]:
        return [
            low + (one - low + shift) % (high - low) if low <= one < high else one for one in ids
        ]

    async def run() -> tuple[float, list[Answered]]:
        connector = aiohttp.TCPConnector(limit=0)
        done: list[Answered] = []
        key = {"Authorization": f"Bearer {on.server.key}"}
        async with aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=3600)
        ) as session:

            async def one(request: Answered) -> None:
                body = {
                    "model": on.server.model_name,
                    "prompt": moved(request.prompt_ids),
                    "temperature": request.sampling.temperature,
                    "top_k": request.sampling.top_k or -1,
                    "top_p": request.sampling.top_p,
                    "max_tokens": request.tokens,
                    "ignore_eos": True,
                }
                async with session.post(
                    f"{on.server.url}/v1/completions", json=body, headers=key
                ) as reply:
                    usage = (await reply.json())["usage"]
                done.append(
                    Answered((), request.sampling, usage["completion_tokens"], time.perf_counter())
                )

            began = time.perf_counter()
            await asyncio.gather(*map(one, recorded))
            return began, done

    began, done = asyncio.run(run())
    tokens = sum(one.tokens for one in done)
    return steady_rate(done, began), tokens / (max(one.at for one in done) - began)


def main() -> None:
    """Alternating pairs; one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="five pairs of some minutes each")
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument(
        "--questions",
        type=int,
        default=0,
        help="a run; default: as many as take 40 s (full: 200 s)",
    )
    parser.add_argument("--sequences", type=int, default=0, help="of the server at once")
    arguments = parser.parse_args()
    pairs = arguments.pairs or 5
    sequences = arguments.sequences or (128 if arguments.full else 32)
    settings = load_settings(
        overrides={
            "synthesis": {
                "window_chains": sequences + sequences // 2,
                "adaptive": False,
                "hinted_retry": False,
                "chains_per_question": 4,
            }
        }
    )
    figures: list[dict[str, float]] = []
    tokens = 0
    with bench(sequences) as on:
        count = arguments.questions
        if not count:
            report, _, _ = on.synthesize(train_questions(on.folder, 8, 99), settings, 99, "warm-up")
            count = max(8, round(8 * (200 if arguments.full else 40) / report.seconds))
        for number in range(1, pairs + 1):
            asked = train_questions(on.folder, count, number)
            report, engine, committed = on.synthesize(asked, settings, number, f"run-{number}")
            ours = steady_rate(engine.answered, engine.first_request)
            tokens = report.tokens
            whole = tokens / (committed - engine.first_request)
            raw, raw_whole = replay(on, engine.answered)
            figures.append({"ours": ours, "raw": raw, "ours_whole": whole, "raw_whole": raw_whole})
            line = f"steady {ours:.0f} / {raw:.0f}, whole {whole:.0f} / {raw_whole:.0f} tokens/s"
            print(f"pair {number}: {line}", flush=True)
        precision = on.server.precision
    steady = [one["ours"] / one["raw"] for one in figures]
    whole_ratios = [one["ours_whole"] / one["raw_whole"] for one in figures]
    print(
        json.dumps(
            {
                "name": "synthesis_vs_raw",
                "ratio": round(statistics.median(steady), 3),
                "goal": GOAL_STEADY,
                "spread": round(max(steady) - min(steady), 3),
                "ratio_whole": round(statistics.median(whole_ratios), 3),
                "goal_whole": GOAL_WHOLE,
                "pairs": figures,
                "precision": precision,
                "size": {
                    "questions_a_run": count,
                    "sequences": sequences,
                    "pairs": pairs,
                    "tokens_a_run": tokens,
                },
            }
        )
    )


if __name__ == "__main__":
    main()
