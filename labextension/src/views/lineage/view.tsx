import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Lineage, StepPage } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import { parseId } from '../ids';
import type { SpecOf } from '../spec';
import { ArtifactPreview } from '../run/artifacts';
import { useAnswer } from '../useAnswer';
import { Facts } from './facts';
import { move, visit } from './history';
import type { History } from './history';

interface LineageViewProps {
  pipeline: NotebookPipeline;
  /** A new one whenever somebody asks for a thing. */
  spec: SpecOf<'lineage'>;
}

/** Something of the past with its neighbours: what it was made from on the left, what came of it on the right. */
export function LineageView({ pipeline, spec }: LineageViewProps): JSX.Element {
  const trans = useTranslation();
  const [history, setHistory] = React.useState<History>({ ids: [spec.id], at: 0 });
  React.useEffect(() => setHistory(before => visit(before, spec.id)), [spec]);
  const id = history.ids[history.at];
  const { lineage, names, fault } = useLineage(pipeline, id);
  const go = (next: string) => setHistory(before => visit(before, next));
  const columns = (keys: ('made_by' | 'uses' | 'made' | 'used_by')[]) => {
    const titles = {
      made_by: trans.__('Made by'),
      uses: trans.__('Uses'),
      made: trans.__('Made'),
      used_by: trans.__('Used by')
    };
    return keys.map(key => (
      <Neighbours key={key} name={key} title={titles[key]} ids={lineage?.[key] ?? []} names={names} go={go} />
    ));
  };
  return (
    <div className="kale-Lineage" data-id={lineage?.id}>
      <nav className="kale-Buttons" aria-label={trans.__('History')}>
        <button
          className="kale-Button"
          data-action="back"
          disabled={history.at === 0}
          onClick={() => setHistory(move(history, -1))}
        >
          {trans.__('Back')}
        </button>
        <button
          className="kale-Button"
          data-action="forward"
          disabled={history.at === history.ids.length - 1}
          onClick={() => setHistory(move(history, 1))}
        >
          {trans.__('Forward')}
        </button>
      </nav>
      {fault !== null && (
        <p className="kale-Refusal" role="alert">
          {fault}
        </p>
      )}
      {lineage === null ? (
        fault === null && <p role="status">{trans.__('Reading …')}</p>
      ) : (
        <div className="kale-Lineage-columns">
          <div>{columns(['made_by', 'uses'])}</div>
          <This key={lineage.id} pipeline={pipeline} lineage={lineage} name={names.get(lineage.id)} />
          <div>{columns(['made', 'used_by'])}</div>
        </div>
      )}
    </div>
  );
}

interface Found {
  lineage: Lineage | null;
  /** What stored values are called, as far as is known here. */
  names: ReadonlyMap<string, string>;
  fault: string | null;
}

function useLineage(pipeline: NotebookPipeline, id: string): Found {
  const ask = async () => {
    const lineage = await pipeline.link.request('lineage', { id });
    const parsed = parseId(lineage.id);
    const isOfStep = parsed.kind === 'step' || parsed.kind === 'snapshot';
    const page = isOfStep ? await pipeline.runs.step(parsed.run, parsed.step) : null;
    return { lineage, page };
  };
  const { answer, fault } = useAnswer(pipeline, ask, [id]);
  const names = React.useRef<ReadonlyMap<string, string>>(new Map());
  React.useMemo(() => {
    if (answer !== null) {
      names.current = withNames(names.current, answer.page, answer.lineage);
    }
  }, [answer]);
  return { lineage: answer?.lineage ?? null, names: names.current, fault };
}

function withNames(
  before: ReadonlyMap<string, string>,
  page: StepPage | null,
  lineage: Lineage
): Map<string, string> {
  const names = new Map(before);
  for (const artifact of [...(page?.artifacts ?? []), ...(page?.inputs ?? [])]) {
    names.set(artifact.id, artifact.names.join(', '));
  }
  if (lineage.kind === 'artifact' && Array.isArray(lineage.facts.variables)) {
    names.set(lineage.id, lineage.facts.variables.join(', '));
  }
  return names;
}

interface NeighboursProps {
  name: string;
  title: string;
  ids: readonly string[];
  names: ReadonlyMap<string, string>;
  go: (id: string) => void;
}

function Neighbours({ name, title, ids, names, go }: NeighboursProps): JSX.Element | null {
  if (ids.length === 0) {
    return null;
  }
  return (
    <section className="kale-Lineage-neighbours" data-neighbours={name} aria-label={title}>
      <h3>{title}</h3>
      <ul>
        {ids.map(id => (
          <li key={id}>
            <button className="kale-Card" data-id={id} title={id} onClick={() => go(id)}>
              <Label id={id} name={names.get(id)} />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What something is, what it is called, and where it belongs. */
function Label({ id, name }: { id: string; name: string | undefined }): JSX.Element {
  const trans = useTranslation();
  const parsed = parseId(id);
  const kinds = {
    run: trans.__('Run'),
    step: trans.__('Step'),
    snapshot: trans.__('Snapshot'),
    artifact: trans.__('Value')
  };
  const main = parsed.kind === 'run' ? parsed.run : parsed.kind === 'artifact' ? name : parsed.step;
  const detail =
    parsed.kind === 'artifact' ? parsed.digest.slice(0, 12) : parsed.kind === 'run' ? '' : parsed.run;
  return (
    <>
      <small>{kinds[parsed.kind]}</small>
      <strong>{main ?? detail}</strong>
      {main !== undefined && detail !== '' && <small>{detail}</small>}
    </>
  );
}

interface ThisProps {
  pipeline: NotebookPipeline;
  lineage: Lineage;
  name: string | undefined;
}

function This({ pipeline, lineage, name }: ThisProps): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const parsed = parseId(lineage.id);
  const path = pipeline.panel.context.path;
  return (
    <article className="kale-Lineage-this" aria-label={lineage.id} aria-live="polite">
      <h2 className="kale-Lineage-name">
        <Label id={lineage.id} name={name} />
      </h2>
      <code className="kale-Lineage-id">{lineage.id}</code>
      {parsed.kind !== 'artifact' && (
        <div className="kale-Buttons">
          <button
            className="kale-Button"
            data-action="open-run"
            onClick={() =>
              actions.open({
                kind: 'run',
                path,
                run: parsed.run,
                step: parsed.kind === 'run' ? undefined : parsed.step
              })
            }
          >
            {trans.__('Open run')}
          </button>
        </div>
      )}
      <Facts pipeline={pipeline} run={parsed.kind === 'artifact' ? '' : parsed.run} facts={lineage.facts} />
      {parsed.kind === 'artifact' && <ArtifactPreview pipeline={pipeline} id={lineage.id} />}
    </article>
  );
}
