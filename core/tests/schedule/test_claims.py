from dataclasses import replace
from pathlib import Path

from coditect.plan import Baseline, Plan, Target, load_plan
from coditect.schedule import Claim, claims, cost_of, study
from coditect.schedule.authored import authored
from coditect.schedule.problem import problem_of

HOUR = 3600


def founding() -> Plan:
    return load_plan(Path(__file__).parents[3] / "plans" / "coditect-cloud.yaml")


def told(plan: Plan, *more: Target) -> dict[str, Claim]:
    assert plan.baseline
    plan = replace(plan, baseline=replace(plan.baseline, claims=(*plan.baseline.claims, *more)))
    return {claim.id: claim for claim in claims(study(plan))}


def test_what_the_founding_document_claims_stands_beside_what_its_table_gives() -> None:
    found = told(founding())
    assert {claim.id: (claim.found, claim.agrees) for claim in found.values()} == {
        "baseline": ("137 h, 17.1 days", True),
        "parallel-duration": ("9 days", False),
        "time-saved": ("55 %", False),
        "critical-path": ("53 h, 6.6 days", False),
        "agents": ("6 (53 h)", False),
        "day-1-tasks": ("5 at once in the schedule", True),
        "day-1": ("17 h of work, at least 9 h long = 1.9x", False),
        "days-2-5": ("15.75 h of work a day, at least 7.75 h long = 2.0x", False),
        "days-6-7": ("11 h of work a day, at least 7 h long = 1.6x", False),
        "utilisation-infrastructure": ("50 %", False),
        "utilisation-backend": ("98 %", True),
        "utilisation-deployment": ("56 %", False),
        "utilisation-security": ("15 %", False),
        "utilisation-documentation": ("37 %", False),
        "savings": ("USD 9,000 (9 days)", True),
        "coordination": ("10 h, or 32 h of agents' time", True),
        "merge-conflicts": ("", None),
        "day-loads": (
            "infrastructure on day 1: 9 h; backend on day 5: 10 h; backend on day 9: 9 h",
            False,
        ),
    }


def test_every_difference_comes_with_a_reason() -> None:
    found = told(founding())
    assert all(claim.why for claim in found.values())
    assert "Its phases add up to 10–14 days" in found["baseline"].why
    assert "3 agents already reach the 62 h of 5" in found["agents"].why
    assert "codi-code-architect alone is occupied for 61 h" in found["critical-path"].why
    assert "72 h with the days of security-specialist" in found["parallel-duration"].why
    assert "from 33 % to 57 %" in found["time-saved"].why


def test_claims_that_nobody_knows_how_to_work_out_are_shown_as_such() -> None:
    found = told(founding(), Target("beauty", "How beautiful", "very"))
    assert (found["beauty"].found, found["beauty"].agrees) == ("", None)
    assert "do not decide" in found["beauty"].why
    nobody = told(founding(), Target("utilisation-nobody", "Nobody", "1 %"))
    assert nobody["utilisation-nobody"].agrees is None
    never = told(founding(), Target("day-77", "A day the table lacks", "3 hours"))
    assert never["day-77"].agrees is None


def test_words_without_a_number_are_not_judged() -> None:
    plan = founding()
    bare = replace(
        plan, baseline=Baseline("b", 17, 18, claims=(Target("critical-path", "C", "?"),))
    )
    assert told(bare)["critical-path"].agrees is None


def test_a_true_claim_agrees() -> None:
    plan = founding()
    honest = (
        Target("critical-path", "C", "53 hours"),
        Target("parallel-duration", "P", "9 days"),
        Target("agents", "A", "6"),
        Target("utilization-backend", "U", "95-100 %"),
    )
    found = told(replace(plan, baseline=Baseline("b", 17, 18, claims=honest)))
    assert [found[target.id].agrees for target in honest] == [True, True, True, True]
    assert "No fewer agents reach the 53 h of 6" in found["agents"].why


def test_without_a_baseline_nothing_is_claimed() -> None:
    assert claims(study(replace(founding(), baseline=None), counts=[5])) == ()


def test_a_single_number_of_agents_decides_nothing_about_the_best_number() -> None:
    found = {claim.id: claim for claim in claims(study(founding(), agents=3))}
    assert found["agents"].agrees is None
    assert found["utilisation-backend"].found == "98 %"


def test_savings_need_a_price() -> None:
    plan = founding()
    free = replace(plan, calendar=replace(plan.calendar, cost_per_day=None))
    assert told(free)["savings"].agrees is None


def test_the_authors_table_is_read_from_the_days_that_tasks_name() -> None:
    plan = founding()
    table = authored(plan, problem_of(plan))
    assert list(table) == list(range(1, 11))
    assert table[1].work["infrastructure"] == 7 * HOUR
    assert table[1].occupied["infrastructure"] == 9 * HOUR
    assert sum(sum(row.work.values()) for row in table.values()) == 133 * HOUR


def test_a_cost_is_that_of_the_days_and_of_agents_with_a_price() -> None:
    plan = founding()
    day = plan.calendar.hours_per_day * HOUR
    cost = cost_of(plan, day * 3 // 2, {"cloud-architect": day})
    assert cost
    assert (cost.exact, cost.whole_days, cost.currency) == (1500.0, 2000.0, "USD")
    agents = dict(plan.agents)
    agents["cloud-architect"] = replace(agents["cloud-architect"], cost_per_day=80.0)
    priced = replace(plan, agents=agents)
    busy = {"cloud-architect": day // 2, "cloud-architect-2": day, "codi-code-architect": day}
    more = cost_of(priced, day, busy)
    assert more
    assert more.exact == 1000 + 40 + 80
    unpriced = replace(plan, calendar=replace(plan.calendar, cost_per_day=None))
    assert cost_of(unpriced, day, busy) is None


def test_the_study_keeps_tasks_and_checkpoints_apart() -> None:
    found = study(founding(), counts=[5])
    assert found.task_seconds == 133 * HOUR
    assert found.checkpoint_seconds == 4 * HOUR
    assert found.sequential_seconds == 137 * HOUR
    assert found.busy_streams()["backend"] == 61 * HOUR
    assert found.knee
    assert found.knee.agents == 5


def test_another_number_of_agents_is_scheduled_with_its_best_cast() -> None:
    found = study(founding(), agents=2)
    assert found.schedule.makespan == 80 * HOUR
    assert len(found.problem.agents) == 2
    assert len(found.points) == 1
    assert found.days.makespan >= 80 * HOUR
