"""MINIMAL placeholder until the report helper delivers"""
from dataclasses import dataclass, field
from pathlib import Path
import statistics
@dataclass
class Built:
    html: Path; markdown: Path; terminal: str; failed_claims: list; missing: int
def build(suite, profile, expansion, jobs, readings, records, reports):
    lines=[]
    for pair,ts in readings.teachers.items():
        lines.append(f"{pair} teacher " + " ".join(f"{t.groups.get('truth',{}).get(P[readings.families[pair[0]]][0],0):.4f}" for t in ts))
    for cell,rs in readings.cells.items():
        names=P[readings.families[cell.task]]
        lines.append(f"{cell.title:50} n={len(rs)} "+"  ".join(f"{n}={statistics.fmean(r.value(n) for r in rs):.4f}" for n in names)+ f"  val={statistics.fmean(r.value('val.'+names[0]) for r in rs):.4f} {statistics.fmean(r.seconds for r in rs):.1f}s")
    return Built(reports/"x",reports/"x","\n".join(lines),[],0)
P={"classification":["accuracy","agreement","log_kl","ece"],"segmentation":["miou","miou_st","log_kl","ece"],"retrieval":["ndcg@10","tau_ap","log_kl"],"tagging":["map","positive_agreement","log_kl","ece"]}
