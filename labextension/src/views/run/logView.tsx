import { UseSignal } from '@jupyterlab/ui-components';
import { renderText } from '@jupyterlab/rendermime';
import * as React from 'react';

import { highlight, rangeOf } from '../../ui/ranges';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import type { LogPiece, StepLog } from './log';
import { find, MOST_MATCHES } from './logSearch';
import type { Match } from './logSearch';

/** Pieces in the page; others are put there on request, or where a match is. */
const SHOWN_PIECES = 10;
/** Pieces shown before the one that a match is in. */
const BEFORE_MATCH = 2;
/** Pixels from the end at which a log still counts as read to its end. */
const SLACK = 8;
/** Marked places of a search, at most. */
const MARKED = 500;

interface LogViewProps {
  log: StepLog;
  label: string;
  isRunning: boolean;
  /** Reads what comes before; there is none where that cannot be had. */
  readEarlier?: () => void;
}

export function LogView(props: LogViewProps): JSX.Element {
  return (
    <UseSignal signal={props.log.changed}>{() => <Pieces {...props} pieces={props.log.pieces} />}</UseSignal>
  );
}

/** The end of a log, which is followed until somebody scrolls back; and a search through all that is kept. */
function Pieces({
  log,
  pieces,
  label,
  isRunning,
  readEarlier
}: LogViewProps & { pieces: readonly LogPiece[] }): JSX.Element {
  const trans = useTranslation();
  const frame = React.useRef<HTMLDivElement>(null);
  const [follows, setFollows] = React.useState(true);
  const [count, setCount] = React.useState(SHOWN_PIECES);
  /** The first piece that is shown, where that is not the end of the log. */
  const [first, setFirst] = React.useState<number | null>(null);
  const [query, setQuery] = React.useState('');
  const [at, setAt] = React.useState(0);
  const from = first ?? Math.max(pieces.length - count, 0);
  const shown = first === null ? pieces.slice(from) : pieces.slice(from, from + SHOWN_PIECES);
  // A long log is searched when there is time for it, and not between two keys.
  const wanted = React.useDeferredValue(query);
  const matches = React.useMemo(() => find(pieces, wanted), [pieces, wanted]);
  const current: Match | undefined = matches[at % Math.max(matches.length, 1)];

  /** The match to scroll to, once its piece is drawn. */
  const sought = React.useRef<Match>();
  const onDrawn = () => {
    const node = frame.current;
    if (node === null) {
      return;
    }
    if (follows) {
      node.scrollTop = node.scrollHeight;
    }
    mark(node, matches, query === '' ? undefined : current);
    if (sought.current !== undefined && reveal(node, sought.current)) {
      sought.current = undefined;
    }
  };
  React.useEffect(onDrawn);
  const latest = React.useRef(onDrawn);
  latest.current = onDrawn;
  const drawn = React.useCallback(() => latest.current(), []);
  React.useEffect(() => () => mark(null, [], undefined), []);

  const go = (step: number) => {
    // Enter may come before there was time for the search: it is for what the box says.
    const found = find(pieces, query);
    const next = found.length === 0 ? 0 : (at + step + found.length) % found.length;
    setAt(next);
    setFollows(false);
    const index = pieces.findIndex(piece => piece.id === found[next]?.piece);
    if (index >= 0 && (index < from || index >= from + shown.length)) {
      setFirst(Math.max(index - BEFORE_MATCH, 0));
    }
    sought.current = found[next];
  };
  const follow = (follows: boolean) => {
    setFollows(follows);
    if (follows) {
      setFirst(null);
    }
  };
  const showEarlier = () => {
    setFollows(false);
    if (first !== null && first > 0) {
      setFirst(Math.max(first - SHOWN_PIECES, 0));
    } else if (first === null && pieces.length > count) {
      setCount(count + SHOWN_PIECES);
    } else {
      readEarlier?.();
    }
  };
  return (
    <div className="kale-Log">
      <div className="kale-Log-bar">
        <label>
          <input type="checkbox" checked={follows} onChange={event => follow(event.target.checked)} />
          {trans.__('Follow')}
        </label>
        <input
          className="kale-Input"
          type="search"
          value={query}
          placeholder={trans.__('Search')}
          aria-label={trans.__('Search in the log')}
          onChange={event => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={event => {
            if (event.key === 'Enter') {
              go(event.shiftKey ? -1 : 1);
            }
          }}
        />
        <button
          className="kale-Button"
          aria-label={trans.__('Previous match')}
          disabled={matches.length === 0}
          onClick={() => go(-1)}
        >
          ↑
        </button>
        <button
          className="kale-Button"
          aria-label={trans.__('Next match')}
          disabled={matches.length === 0}
          onClick={() => go(1)}
        >
          ↓
        </button>
        <span className="kale-Log-count" role="status">
          {query === ''
            ? ''
            : trans.__(
                '%1 of %2',
                matches.length === 0 ? 0 : (at % matches.length) + 1,
                matches.length === MOST_MATCHES ? `${MOST_MATCHES}+` : matches.length
              )}
        </span>
      </div>
      <div
        className="kale-Log-text"
        ref={frame}
        role="log"
        aria-live="off"
        aria-label={label}
        tabIndex={0}
        onScroll={event => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          setFollows(first === null && scrollHeight - scrollTop - clientHeight <= SLACK);
        }}
      >
        {((log.isCut && readEarlier !== undefined) || from > 0) && (
          <button className="kale-Button" onClick={showEarlier}>
            {trans.__('Show earlier lines')}
          </button>
        )}
        {pieces.length === 0 && (
          <p className="kale-empty">
            {isRunning ? trans.__('Nothing printed so far.') : trans.__('Nothing was printed.')}
          </p>
        )}
        {shown.map(piece => (
          <Piece key={piece.id} piece={piece} onDrawn={drawn} />
        ))}
        {from + shown.length < pieces.length && (
          <button className="kale-Button" onClick={() => setFirst(from + SHOWN_PIECES)}>
            {trans.__('Show later lines')}
          </button>
        )}
      </div>
    </div>
  );
}

/** Colours and links are JupyterLab's. */
const Piece = React.memo(({ piece, onDrawn }: { piece: LogPiece; onDrawn: () => void }): JSX.Element => {
  const { rendermime } = useView();
  const host = React.useRef<HTMLDivElement>(null);
  React.useLayoutEffect(() => {
    const source = piece.prefix + piece.text;
    // JupyterLab adds to what is there: a piece that has grown would stand below what it was before.
    const text = document.createElement('div');
    let isNewest = true;
    void renderText({ host: text, sanitizer: rendermime.sanitizer, source }).then(() => {
      if (isNewest) {
        host.current!.replaceChildren(...text.childNodes);
        onDrawn();
      }
    });
    return () => {
      isNewest = false;
    };
  }, [piece, rendermime, onDrawn]);
  return <div className="kale-Log-piece jp-RenderedText" data-piece={piece.id} ref={host} />;
});

function rangeIn(frame: Element, match: Match): Range | null {
  const piece = frame.querySelector(`[data-piece="${match.piece}"]`);
  return piece === null ? null : rangeOf(piece, match.start, match.end);
}

function mark(frame: Element | null, matches: readonly Match[], current: Match | undefined): void {
  const ranges = (frame === null ? [] : matches.slice(0, MARKED)).map(match => rangeIn(frame!, match));
  highlight(
    'kale-found',
    ranges.filter(range => range !== null)
  );
  const chosen = frame !== null && current !== undefined ? rangeIn(frame, current) : null;
  highlight('kale-found-current', chosen === null ? [] : [chosen]);
}

/** Whether the match is drawn, and so could be scrolled to. */
function reveal(frame: HTMLElement, match: Match): boolean {
  const range = rangeIn(frame, match);
  if (range === null) {
    return false;
  }
  const offset = range.getBoundingClientRect().top - frame.getBoundingClientRect().top;
  frame.scrollTop += offset - frame.clientHeight / 2;
  return true;
}
