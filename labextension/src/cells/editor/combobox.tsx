import * as React from 'react';

interface ComboboxProps {
  id: string;
  /** What the completions are. */
  listLabel: string;
  value: string;
  /** What may be meant. */
  options: readonly string[];
  isInvalid: boolean;
  describedBy: string;
  onChange: (value: string) => void;
}

/** A text with completions: arrow keys choose, Enter takes the chosen one, Escape closes the list. */
export function Combobox({
  id,
  listLabel,
  value,
  options,
  isInvalid,
  describedBy,
  onChange
}: ComboboxProps): JSX.Element {
  const [isOpen, setOpen] = React.useState(false);
  const [chosen, setChosen] = React.useState(-1);
  const wanted = value.trim().toLowerCase();
  const matching = options.filter(option => option !== value && option.toLowerCase().includes(wanted));
  const expanded = isOpen && matching.length > 0;
  const close = () => {
    setOpen(false);
    setChosen(-1);
  };
  const take = (option: string) => {
    onChange(option);
    close();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      const from = expanded ? chosen : step > 0 ? -1 : 0;
      setOpen(true);
      setChosen(matching.length === 0 ? -1 : (from + step + matching.length) % matching.length);
    } else if (event.key === 'Enter' && expanded && chosen >= 0) {
      event.preventDefault();
      event.stopPropagation();
      take(matching[chosen]);
    } else if (event.key === 'Escape' && expanded) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };
  const onBlur = ({ currentTarget, relatedTarget }: React.FocusEvent) => {
    // Not where the focus will come back: from a notebook that took it when it was activated, or from another window.
    if (currentTarget.closest('[role=dialog]')?.contains(relatedTarget)) {
      close();
    }
  };
  return (
    <span className="kale-Combobox" data-keeps-escape={expanded} onBlur={onBlur}>
      <input
        id={id}
        className="kale-Input"
        role="combobox"
        autoComplete="off"
        spellCheck={false}
        aria-autocomplete="list"
        aria-expanded={expanded}
        aria-controls={`${id}-list`}
        aria-activedescendant={expanded && chosen >= 0 ? `${id}-${chosen}` : undefined}
        aria-invalid={isInvalid}
        aria-describedby={describedBy}
        value={value}
        onChange={event => {
          onChange(event.target.value);
          setOpen(true);
          setChosen(-1);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-list`} role="listbox" hidden={!expanded} aria-label={listLabel}>
        {matching.map((option, index) => (
          <li
            key={option}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            // Before the input loses the focus.
            onMouseDown={event => {
              event.preventDefault();
              take(option);
            }}
          >
            {option}
          </li>
        ))}
      </ul>
    </span>
  );
}
