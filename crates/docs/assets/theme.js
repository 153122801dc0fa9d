// Runs before the first paint: a choice of theme that was kept, and that there is a script at all.
(() => {
  const root = document.documentElement;
  root.classList.add('js');
  try {
    const theme = localStorage.getItem('theme');
    if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  } catch {
    // Without storage the theme follows the system.
  }
})();
