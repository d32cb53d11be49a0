// A Rust program whose allocator is libloam.a: rustc asks its linker to drop what nothing refers to.
// Prints for linkers.py where it is: the address of a function of its own, and its mappings.
use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;

extern "C" {
    fn loam_aligned_alloc(alignment: usize, size: usize) -> *mut u8;
    fn loam_free(mem: *mut u8);
    fn loam_owns(mem: *const u8) -> bool;
}

struct Loam;

unsafe impl GlobalAlloc for Loam {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loam_aligned_alloc(layout.align(), layout.size())
    }
    unsafe fn dealloc(&self, mem: *mut u8, _: Layout) {
        loam_free(mem)
    }
}

#[global_allocator]
static LOAM: Loam = Loam;

#[no_mangle]
#[inline(never)]
pub extern "C" fn r#where() -> usize {
    r#where as usize
}

fn main() {
    let threads: Vec<_> = (0..4)
        .map(|t| std::thread::spawn(move || (0..9999).map(|i| (i, vec![t; 9])).collect::<BTreeMap<_, _>>()))
        .collect();
    let maps: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(maps.iter().all(|m| m.len() == 9999));
    assert!(unsafe { loam_owns(Box::into_raw(Box::new(1u64)) as *const u8) });
    println!("{:#x} where", r#where());
    print!("{}", std::fs::read_to_string("/proc/self/maps").unwrap());
}
