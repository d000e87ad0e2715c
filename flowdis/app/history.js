// Undo, redo and reset, by buttons or by the keys that people know.
const ACTS = ['undo', 'redo', 'reset'];
const button = (name) => element.querySelector('[data-act=' + name + ']');
function act(name) {
  if (!ACTS.includes(name) || button(name).disabled) return;
  document.dispatchEvent(new Event('flowdis-history'));
  trigger(name);
}
function show() {
  button('undo').disabled = !props.value.undo;
  button('redo').disabled = !props.value.redo;
}
element.addEventListener('click', (event) => {
  const clicked = event.target.closest('button');
  if (clicked) act(clicked.dataset.act);
});
document.addEventListener('keydown', (event) => {
  const typing = event.target.matches && event.target.matches('input[type=number], input[type=text], textarea');
  if (typing || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return;
  event.preventDefault();
  act(event.shiftKey ? 'redo' : 'undo');
});
watch('value', show);
show();
