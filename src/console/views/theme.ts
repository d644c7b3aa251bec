/** Light or dark: as the system says, or as was chosen here. */
import { useEffect, useState } from 'preact/hooks';

export interface Theme {
  readonly choice: 'system' | 'light' | 'dark';
  readonly shown: 'light' | 'dark';
}

const key = 'verdict-console-colours';
const dark = matchMedia('(prefers-color-scheme: dark)');

function chosen(): Theme['choice'] {
  const stored = localStorage.getItem(key);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export function useTheme(): [Theme, (choice: Theme['choice']) => void] {
  const [choice, setChoice] = useState(chosen);
  const [isDark, setIsDark] = useState(dark.matches);
  useEffect(() => {
    const changed = (): void => setIsDark(dark.matches);
    dark.addEventListener('change', changed);
    return () => dark.removeEventListener('change', changed);
  }, []);
  const theme = choice === 'system' ? (isDark ? 'dark' : 'light') : choice;
  // Before what reads the colours is drawn.
  document.documentElement.dataset['theme'] = theme;
  return [
    { choice, shown: theme },
    (next) => {
      localStorage.setItem(key, next);
      setChoice(next);
    },
  ];
}
