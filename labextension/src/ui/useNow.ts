import * as React from 'react';

/** The time in milliseconds since the epoch, new every second while something is counted. */
export function useNow(isCounting: boolean): number {
  const [now, setNow] = React.useState(Date.now);
  React.useEffect(() => {
    if (!isCounting) {
      return;
    }
    setNow(Date.now());
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, [isCounting]);
  return now;
}
