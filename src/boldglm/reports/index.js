(function () {
  "use strict";
  var each = function (list, act) { Array.prototype.forEach.call(list, act); };
  var tables = document.querySelectorAll("table.index");
  // a click on a heading sorts by it: numbers largest first, rows without a value last
  var compare = function (a, b, isNumber) {
    if (a === "" || b === "") { return (a === "") - (b === ""); }
    return isNumber ? Number(b) - Number(a) : a.localeCompare(b, undefined, { numeric: true });
  };
  var sort = function (table, heading) {
    var at = heading.cellIndex, turned = heading.getAttribute("aria-sort") === heading.dataset.first;
    var isNumber = heading.dataset.first === "descending";
    var rows = Array.prototype.slice.call(table.tBodies[0].rows);
    rows.map(function (row, i) { return { row: row, i: i, value: row.cells[at].dataset.value }; })
      .sort(function (a, b) {
        var order = compare(a.value, b.value, isNumber);
        return (turned && a.value !== "" && b.value !== "" ? -order : order) || a.i - b.i;
      })
      .forEach(function (one) { table.tBodies[0].appendChild(one.row); });
    each(table.tHead.rows[0].cells, function (cell) { cell.removeAttribute("aria-sort"); });
    var other = isNumber ? "ascending" : "descending";
    heading.setAttribute("aria-sort", turned ? other : heading.dataset.first);
  };
  each(tables, function (table) {
    if (!table.querySelector("tbody [data-value]")) { return; }
    each(table.tHead.rows[0].cells, function (heading, i) {
      var values = Array.prototype.map.call(table.tBodies[0].rows, function (row) { return row.cells[i].dataset.value; });
      var isNumber = i > 0 && values.every(function (value) { return value === "" || isFinite(value); });
      heading.dataset.first = isNumber ? "descending" : "ascending";
      var button = document.createElement("button");
      button.type = "button";
      while (heading.firstChild) { button.appendChild(heading.firstChild); }
      heading.appendChild(button);
      button.addEventListener("click", function () { sort(table, heading); });
    });
  });
  // where headings do not fit, a menu in their place
  var sorting = document.getElementById("sorting");
  each(tables[0].tHead.rows[0].cells, function (heading) {
    var option = document.createElement("option");
    option.textContent = heading.textContent;
    sorting.appendChild(option);
  });
  sorting.addEventListener("change", function () {
    var heading = tables[0].tHead.rows[0].cells[sorting.selectedIndex];
    heading.removeAttribute("aria-sort");
    if (heading.dataset.first) { sort(tables[0], heading); }
  });
  // only rows with every word of the search
  var field = document.getElementById("search"), count = document.getElementById("count");
  var filter = function () {
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean), said = [];
    each(tables, function (table) {
      var rows = table.querySelectorAll("tbody tr"), shown = 0;
      each(rows, function (row) {
        var text = row.textContent.toLowerCase();
        row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
        shown += !row.hidden;
      });
      said.push(shown + " of " + rows.length + " " + table.dataset.noun);
    });
    count.textContent = words.length ? said.join(", ") : "";
  };
  field.addEventListener("input", filter);
  var menu = document.getElementById("contrast");
  var choose = function () {
    each(document.querySelectorAll("[data-contrast]"), function (cell) {
      cell.hidden = menu.value !== "" && cell.dataset.contrast !== menu.value;
    });
  };
  if (menu) { menu.addEventListener("change", choose); choose(); }
  document.querySelector(".controls").addEventListener("submit", function (event) { event.preventDefault(); });
  document.documentElement.classList.add("scripted");
  filter();  // what a browser kept in the field on reload
})();
