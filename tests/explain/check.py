"""A stranger's check: does an explanation add up by nothing but the arithmetic that it prints?

Reads answers of GET /v1/accounts/{id}/mrr/explain, one JSON document a line, and knows no rule of Stripe's or Billfold's:
only what each printed line says to do with the numbers on it. Ends with 1 and the first line that does not add up.
"""

import json
import sys
from decimal import Decimal
from fractions import Fraction

ZERO_DECIMALS = {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


def half_even(value):
    floor = value.numerator // value.denominator
    rest = value - floor
    if rest == Fraction(1, 2):
        return floor + floor % 2
    return floor + (1 if rest > Fraction(1, 2) else 0)


def units(currency):
    return 1 if currency in ZERO_DECIMALS else 1000 if currency in THREE_DECIMALS else 100


def same(what, printed, computed):
    if Fraction(printed) != computed:
        raise AssertionError(f"{what}: it says {printed}, and it is {computed}")


def check_item(item):
    if not item["counted"]:
        same(f"{item['item_id']} does not count", item["monthly"], Fraction(0))
        return
    left = Fraction(item["amount"])
    if item["tiers"]:
        total = Fraction(0)
        for tier in item["tiers"]:
            unit, flat = Fraction(tier["unit_amount"] or 0), Fraction(tier["flat_amount"] or 0)
            same("tier", tier["amount"], tier["quantity"] * unit + flat)
            total += Fraction(tier["amount"])
        same("tiers", item["amount"], total)
    elif item["unit_amount"] is not None:
        same("amount", item["amount"], item["billed_quantity"] * Fraction(item["unit_amount"]))
    for step in item["discounts"]:
        same("before a discount", step["before"], left)
        if step["rule"].startswith("subtracted") and step["kind"] == "percent":
            left = left * (100 - Fraction(step["value"])) / 100
        elif step["rule"].startswith("subtracted"):
            spread = Fraction(step["spread_over"])
            left -= min(Fraction(step["value"]), spread) * left / spread if spread else 0
        same("after a discount", step["after"], left)
    if item["tax"] is not None:
        same("before tax", item["tax"]["before"], left)
        if item["tax"]["rate"] is not None:
            left = left / (1 + Fraction(item["tax"]["rate"]))
        same("after tax", item["tax"]["after"], left)
    same("a month", item["monthly"], left * Fraction(item["factor"]))


def check_account(answer):
    mrr, by_currency, arr_by_currency = answer["mrr"], {}, {}
    for subscription in answer["subscriptions"]:
        exact = Fraction(0)
        for item in subscription["items"]:
            check_item(item)
            exact += Fraction(item["monthly"])
        name = subscription["subscription_id"]
        same(name, subscription["exact"], exact)
        same(f"{name} rounded", subscription["mrr"]["amount"], half_even(exact))
        same(f"{name} a year", subscription["arr"]["amount"], half_even(12 * exact))
        currency = subscription["mrr"]["currency"]
        by_currency[currency] = by_currency.get(currency, 0) + subscription["mrr"]["amount"]
        arr_by_currency[currency] = arr_by_currency.get(currency, 0) + subscription["arr"]["amount"]
    printed = {currency: money["amount"] for currency, money in answer["mrr_by_currency"].items()}
    if printed != {currency: amount for currency, amount in by_currency.items() if amount}:
        raise AssertionError(f"by currency: it says {printed}, and it is {by_currency}")
    own = mrr["currency"]
    for figure, sums in (("mrr", by_currency), ("arr", arr_by_currency)):
        total = sums.get(own, 0)
        for currency, rate in answer["rates"].items():
            amount = Fraction(sums.get(currency, 0), units(currency)) * Fraction(Decimal(rate)) * units(own)
            total += half_even(amount)
        same(figure, answer[figure]["amount"], Fraction(total))


def main():
    accounts = subscriptions = counted = 0
    for line in sys.stdin:
        answer = json.loads(line)
        try:
            check_account(answer)
        except AssertionError as error:
            print(f"{answer['account_id']}: {error}", file=sys.stderr)
            return 1
        accounts += 1
        subscriptions += len(answer["subscriptions"])
        counted += sum(item["counted"] for one in answer["subscriptions"] for item in one["items"])
    print(f"{accounts} accounts, {subscriptions} subscriptions, {counted} items that count: all add up")
    return 0 if counted else 1


if __name__ == "__main__":
    sys.exit(main())
