"""The methods by name: "module:Class". Nothing is imported until asked."""

from __future__ import annotations

from collections.abc import Mapping

TABLE: Mapping[str, str] = {
    "guide_flow": "seqmatte.methods.guide_flow:GuideFlow",
    "hstsg_compact": "seqmatte.methods.hstsg_compact:HstsgCompact",
    "closed_form": "seqmatte.methods.closed_form:ClosedForm",
    "edge_snap": "seqmatte.methods.edge_snap:EdgeSnap",
    "camera": "seqmatte.methods.camera:Camera",
    "refiner": "seqmatte.methods.refiner:Refiner",
    "gca": "seqmatte.methods.gca:Gca",
    "fba": "seqmatte.methods.fba:Fba",
    "dim": "seqmatte.methods.dim:Dim",
    "context_aware": "seqmatte.methods.context_aware:ContextAware",
    "tcvom": "seqmatte.methods.tcvom:Tcvom",
    "hstsg": "seqmatte.methods.hstsg:Hstsg",
    "rvm": "seqmatte.methods.rvm:Rvm",
    "amm": "seqmatte.methods.amm:Amm",
    "context_motion": "seqmatte.methods.context_motion:ContextMotion",
    "bgm1": "seqmatte.methods.bgm1:Bgm1",
    "bgm2": "seqmatte.methods.bgm2:Bgm2",
    "refine": "seqmatte.methods.refine:Refine",
}
