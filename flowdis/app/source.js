// Images: a sample is chosen by its button, a file by its field or by dropping it on the page.
const most = Number(element.querySelector('.source').dataset.most);
const field = element.querySelector('input[type=file]');
const drop = element.querySelector('.drop');
function take(file) {
  if (!file) return;
  if (file.size > most) {
    props.value = { kind: 'too large', bytes: file.size };
    trigger('take');
    return;
  }
  const reader = new FileReader();
  reader.onload = () => {
    props.value = { kind: 'upload', name: file.name, data: reader.result };
    trigger('take');
  };
  reader.readAsDataURL(file);
}
field.addEventListener('change', () => {
  take(field.files[0]);
  field.value = '';
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-index]');
  if (!button) return;
  props.value = { kind: 'sample', index: Number(button.dataset.index) };
  trigger('take');
});
document.addEventListener('dragover', (event) => {
  if (![...event.dataTransfer.types].includes('Files')) return;
  event.preventDefault();
  drop.classList.add('over');
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) drop.classList.remove('over');
});
document.addEventListener('drop', (event) => {
  if (![...event.dataTransfer.types].includes('Files')) return;
  event.preventDefault();
  drop.classList.remove('over');
  take(event.dataTransfer.files[0]);
});
