"""The methods by name: "module:Class". Nothing is imported until asked."""

from __future__ import annotations

from collections.abc import Mapping

TABLE: Mapping[str, str] = {
    "guide_flow": "seqmatte.methods.guide_flow:GuideFlow",
    "closed_form": "seqmatte.methods.closed_form:ClosedForm",
    "refine": "seqmatte.methods.refine:Refine",
}
