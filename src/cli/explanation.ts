// Writes an explanation for people: the sentence, then for each budget its figures and the holds behind them.

import type { Explanation } from '../budgets/evidence-api.js';
import { holdPartsOfNote, holdPartsText } from '../gateway/calls/hold-parts.js';
import { grouped, textTable } from '../kit/text-table.js';
import { amountText, iso, labelsText, lineTable } from './output.js';

export function explanationText(explanation: Explanation): string {
  const { event, lines } = explanation;
  const parts = [
    `${explanation.sentence}\n#${event.sequence} ${event.type} at ${iso(event.at)}, decision ${explanation.decisionId}`,
    ...(lines.length === 0 ? ['no budget matched'] : [lineTable(lines.map(({ line }) => line))]),
    ...lines.map((line) => behind(line)),
    ...holdPartsOfNote(event.details.note).map(
      ([name, parts]) => `held for ${name}: ${holdPartsText(parts)}`,
    ),
  ];
  return parts.join('\n\n');
}

function behind(explained: Explanation['lines'][number]): string {
  const { line, budgetVersion, holds = [], openHolds = 0, addsUp } = explained;
  // A server tells a tenant's key no figures of the platform's budgets, nor the holds behind them.
  if (line.spent === undefined) return `${line.budgetId}: a budget of the platform`;
  const values = labelsText(line.values ?? {});
  const name = values === '' ? line.budgetId : `${line.budgetId} (${values})`;
  const sum = addsUp ? 'the figures add up from the journal' : 'THE FIGURES DO NOT ADD UP from the journal';
  const title = `${name}, version ${budgetVersion}: ${sum}; open holds: ${grouped(openHolds)}`;
  if (holds.length === 0) return title;
  const rows = holds.map((hold) => [
    hold.holdId,
    amountText(hold.amount),
    labelsText(hold.labels),
    iso(hold.expiresAt),
  ]);
  return `${title}\n${textTable(['hold', { title: line.unit, figure: true }, 'labels', 'expires at'], rows)}`;
}
